# bash without a second process: what its built-in commands and expansions do, printed line by line.
# Run natively and in the VM by the cases of the area `stock`; $1 is a directory to write to.
set -u

show() { printf '%s:' "$1"; shift; printf ' [%s]' "$@"; printf '\n'; }

# Expansions.
text='The quick brown fox'
show length "${#text}"
show substring "${text:4:5}" "${text: -3}"
show replace "${text/quick/slow}" "${text//o/0}" "${text/#The/A}" "${text/%fox/dog}"
show case "${text^^}" "${text,,}" "${text^}"
show trim "${text#* }" "${text##* }" "${text% *}" "${text%% *}"
unset none; show default "${none:-default}" "${none:=assigned}" "$none" "${none:+other}"
name=text; show indirect "${!name}"
show braces {a,b}{1..3} {10..0..5} {e..a}
show quoting $'tab\there' "a  b" 'c"d' "${text@Q}"
show words $text
IFS=,; list=one,two,,four; show split $list; unset IFS

# Arrays.
numbers=(5 3 9 1)
numbers+=(7)
show array "${numbers[@]}" "${#numbers[@]}" "${numbers[-1]}" "${!numbers[@]}"
unset 'numbers[1]'; show holes "${!numbers[@]}" "${numbers[@]:1:2}"
declare -A capital=([fr]=Paris [de]=Berlin)
capital[it]=Rome
for key in de fr it; do show map "$key" "${capital[$key]}"; done
sorted=(); for number in "${numbers[@]}"; do
    for ((at = ${#sorted[@]}; at > 0 && sorted[at - 1] > number; at--)); do sorted[at]=${sorted[at - 1]}; done
    sorted[at]=$number
done
show insertion "${sorted[@]}"

# Arithmetic.
show sums $((2 ** 10)) $((17 % 5)) $((-17 / 5)) $((0xff & ~0x0f)) $((1 << 40)) $((3 > 2 ? 10 : 20)) $((8#17)) $((36#zz))
((count = 5, count *= 3, count++)); show counted "$count"
show overflow $((9223372036854775807 + 1))
fibonacci() { local n=$1; if ((n < 2)); then result=$n; else local a; fibonacci $((n - 1)); a=$result; fibonacci $((n - 2)); ((result += a)); fi; }
fibonacci 12; show recursion "$result"

# Tests and patterns.
[[ $text == *brown* ]] && show glob yes
[[ $text =~ ([a-z]+)\ ([a-z]+)$ ]] && show regex "${BASH_REMATCH[@]}"
[[ abc < abd && ! -e /no/such && -d / && -c /dev/null ]] && show tests yes
shopt -s extglob nullglob; file=archive.tar.gz
case $file in *.zip) show case zip ;; *.tar.@(gz|xz)) show case tar ;&  *) show case through ;; esac

# printf and read.
printf '%5d|%-5s|%05.1f|%x|%o|%e|%c|%b|%q\n' 42 ab 3.14159 255 8 12345.678 xyz 'a\tb' 'a b$'
printf -v kept '%03d' 7; show kept "$kept"
printf '%(%Y-%m-%d %H:%M:%S)T\n' 1600000000
read -r first second rest <<< 'one two three four'; show read "$first" "$second" "$rest"
while IFS=: read -r user _ id _; do show field "$user" "$id"; done <<'END'
root:x:0:0
daemon:x:1:1
END
mapfile -t lines <<< $'a\nb\nc'; show mapfile "${#lines[@]}" "${lines[@]}"
read -r -t 5 line; show stdin "$line" "$?"
read -r -N 3 three; show three "$three"

# Files, by redirection only.
file=$1/nospin-bash-test
printf 'line %d\n' 1 2 3 > "$file"
printf 'line %d\n' 4 >> "$file"
exec 3< "$file"; read -r -u 3 line; show third "$line"; read -r -u 3 line; show third "$line"; exec 3<&-
exec 4<> "$file"; read -r -u 4 line; printf 'LINE' >&4; exec 4>&-
mapfile -t lines < "$file"; show lines "${lines[@]}"
set -o noclobber; { printf x > "$file"; } 2> /dev/null; show noclobber "$?"; set +o noclobber
[[ -s $file && -r $file && -w $file && ! -x $file && -O $file ]]; show attributes "$?"
: > "$file"; [[ -s $file ]]; show empty "$?"
umask 027; umask; umask -S; ulimit -n 200; ulimit -n
cd /usr/../tmp; show where "$PWD"; cd -; cd /no/such/directory; show cd "$?"
found=(/etc/pass*d); show globbing "${found[0]}"
exec 5<&9; show dup "$?"

# Functions, options, scopes.
outer() { local -n target=$1; local inner=1; target=changed; deeper; }
deeper() { show scope "$inner" "${FUNCNAME[*]}"; }
changing=start; outer changing; show nameref "$changing"
parse() { local OPTIND=1 option; while getopts ':ab:' option "$@"; do show option "$option" "${OPTARG-}"; done; shift $((OPTIND - 1)); show rest "$@"; }
parse -a -b value -c rest of it
declare -i whole=3; whole+=4; declare -r fixed=1; declare -u loud=abc; show declared "$whole" "$loud"
(( fixed )) && declare -p whole loud numbers
declare -f deeper
type -t show; type -t cd; type -t if; type -t no-such-thing; show type "$?"
eval 'show eval $((1 + 1))'
RANDOM=42; first=$RANDOM; RANDOM=42; [[ $first == "$RANDOM" ]]; show random "$?"

# Signals and traps.
trap 'show trapped USR1' USR1; kill -USR1 $$; show after kill
trap '' USR2; kill -USR2 $$; show ignored USR2
trap -p USR1 USR2
trap 'show error "$?"' ERR; false; trap - ERR
trap 'show bye "$?"' EXIT
exit 7
