# perl: formats, sorting, regular expressions, files, times, binary data.
# Run natively and in the VM by the cases of the area `stock`; the argument is a directory to write to.
use strict;
use warnings;
use POSIX qw(floor strftime :fcntl_h :errno_h);
use List::Util qw(sum max first shuffle reduce);
use File::Spec;
use Fcntl qw(:seek :flock);

$| = 1;
my $dir = "$ARGV[0]/nospin-perl-$$";
print join(",", map { sprintf "%s=%s", @$_ } ["d", 42], ["s", "x"]), "\n";
printf "%05d|%-6s|%6.2f|%x|%o|%b|%e|%g|%vd\n", 42, "ab", 3.14159, 255, 8, 5, 12345.678, 0.0001, "1.22.333";
my %count;
$count{$_}++ for split //, "the quick brown fox jumps over the lazy dog";
print join(" ", map { "$_$count{$_}" } sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count), "\n";
my @numbers = map { ($_ * 7919) % 1009 } 1 .. 500;
print "sum ", sum(@numbers), " max ", max(@numbers), " median ", (sort { $a <=> $b } @numbers)[250], "\n";
print "reduce ", (reduce { ($a * 31 + $b) % 1000003 } @numbers), "\n";

my $text = "2023-01-15 error: disk 3 full\n2023-02-16 info: all well\n2024-03-17 error: fan 7 stopped\n";
while ($text =~ /^(?<year>\d+)-(\d\d)-(\d\d) error: (?<what>\w+) (\d+)/mg) { print "$+{year} $+{what} $5 at ", pos $text, "\n"; }
(my $swapped = $text) =~ s/(\d{4})-(\d\d)/$2.$1/g;
print $swapped;
print join("|", "a1b22c333" =~ /(\d+)/g), " ", "abc" x 3, " ", scalar reverse("stressed"), " ", ucfirst lc "HELLO", "\n";
print "nested ok\n" if "(a(b)c)" =~ /^(\((?:[^()]++|(?1))*\))$/;
(my $upper = "abc") =~ tr/a-y/b-z/;
print "$upper\n";

print unpack("H*", pack("NnCa4Z6w", 0xdeadbeef, 0x1234, 7, "ab", "hello", 300)), "\n";
print join(",", unpack("l< S> d", pack("l< S> d", -5, 65000, 1.5))), "\n";
print strftime("%Y-%m-%d %H:%M:%S %j %a", gmtime 1600000000), "\n";
my @local = localtime 1600000000;
print "localtime @local\n";
print "floor ", floor(-1.5), " int ", int(-1.5), " exp ", 2**0.5, " atan ", atan2(1, 1) * 4, "\n";
print 9007199254740993, " ", ~0, " ", 1e20, " ", 10 % 3, " ", -10 % 3, "\n";

mkdir $dir, 0750 or die "mkdir: $!";
my $file = File::Spec->catfile($dir, "data");
open my $out, ">", $file or die "open: $!";
print $out "line $_\n" for 1 .. 1000;
close $out or die "close: $!";
print "size ", -s $file, " mode ", sprintf("%04o", (stat $file)[2] & 07777), " file ", (-f _ ? 1 : 0), "\n";
open my $in, "+<", $file or die "open: $!";
flock $in, LOCK_EX or die "flock: $!";
seek $in, -10, SEEK_END;
print "tail ", scalar <$in>, "tell ", tell $in, "\n";
truncate $in, 20 or die "truncate: $!";
seek $in, 0, SEEK_SET;
my @lines = <$in>;
print "lines ", scalar @lines, ": ", join("", @lines), "\n";
close $in;
utime 1000000000, 1100000000, $file or die "utime: $!";
print "times ", join(" ", (stat $file)[8, 9]), "\n";
symlink "data", "$dir/link" or die "symlink: $!";
link $file, "$dir/hard" or die "link: $!";
print "link ", readlink "$dir/link", " links ", (stat $file)[3], "\n";
opendir my $listing, $dir or die "opendir: $!";
print join(" ", sort grep { !/^\.\.?$/ } readdir $listing), "\n";
closedir $listing;
rename "$dir/hard", "$dir/new" or die "rename: $!";
print "glob ", join(" ", map { s/.*\///r } sort glob "$dir/*"), "\n";
open my $none, "<", "$dir/none" or print "missing: ", $! + 0 == ENOENT ? "ENOENT" : $!, " $!\n";
rmdir $dir or print "rmdir: $!\n";
unlink "$dir/link", "$dir/new", $file;
rmdir $dir or print "rmdir: $!\n";

my $caught = 0;
local $SIG{USR1} = sub { $caught++; print "signal $_[0]\n" };
kill USR1 => $$;
print "caught $caught\n";
eval { local $SIG{__DIE__}; die { code => 42 } };
print "died with $@->{code}\n";
my $zero = 0;
eval { my $quotient = 1 / $zero };
print "error: $@";
while (my $line = <STDIN>) { chomp $line; print "$.: ", scalar reverse($line), "\n"; }
pipe my $reader, my $writer or die "pipe: $!";
syswrite $writer, "through a pipe";
sysread $reader, my $buffer, 100;
print "$buffer\n";
print "select ", select(undef, undef, undef, 0.01), "\n";
print "pid is mine\n" if $$ == POSIX::getpid();
warn "a warning\n";
exit 3;
