# gawk: fields, associative arrays, formats, regular expressions, files, sorting.
# Run natively and in the VM by the cases of the area `stock`, over the text of the test data; `out` is a file to write.
function gcd(a, b) { return b ? gcd(b, a % b) : a }
BEGIN {
    FS = "[ ,]+"
    printf "%5.2f|%-8s|%08d|%x|%c|%e\n", 3.14159, "left", 42, 255, 65, 12345.6789
    print gcd(1071, 462), substr("awkward", 4, 3), index("needle", "dl"), toupper("loud"), length("four")
    print gensub(/([a-z]+) ([a-z]+)/, "\\2 \\1", 1, "hello world"), strtonum("0x1f"), and(12, 10), lshift(1, 10)
    print strftime("%Y-%m-%d %H:%M:%S", 1600000000, 1), mktime("2020 01 01 00 00 00", 1)
    n = split("c:a:b", parts, ":"); n = asort(parts); for (i = 1; i <= n; i++) printf "%s ", parts[i]; print n
    srand(1); a = rand(); srand(1); print (a == rand()) ? "repeats" : "differs"
    print 2 ^ 53 + 1, 1e300 * 1e10, log(-1) != log(-1), int(-3.9), sqrt(2), atan2(0, -1)
}
{ sum += $NF; count[$NF % 10]++; if ($NF > max) { max = $NF; where = NR } }
/ 1?7 of/ { print FILENAME ~ /text$/, FNR, $2 }
NR % 50 == 0 { print NR ": " $0 }
END {
    print sum, max, where
    PROCINFO["sorted_in"] = "@ind_num_asc"
    for (key in count) printf "%s=%d ", key, count[key]
    print ""
    for (i = 1; i <= 100; i++) print i, i * i > out
    close(out)
    while ((getline line < out) > 0) total += split(line, unused, " ") > 1 ? unused[2] : 0
    close(out)
    print "squares", total, ENVIRON["MARK"]
    if ((getline line < "/no/such/file") < 0) print "missing:", ERRNO
    exit 5
}
