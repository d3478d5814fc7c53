lines = 6
names = "shipped anchor assignment bounded flat-variant jump ketama least-request maglev md5-1024 md5-512 modulo multiprobe p2c peak-ewma printed-variant random rendezvous ring-1024-robin-hood ring-160 ring-512-double ring-512-murmur ring-crc32c ring-fnv1a ring-sha256 ring-siphash ring-xxh3 round-robin"
# A-4: A-2 for every strategy: max/mean from N = 2 to 6.
load "style.gp"
do for [kind in "svg png"] {
    high = 150 * lines + 40
    if (kind eq "svg") { set terminal svg size 1000,high font "DejaVu Sans,11" noenhanced background "white" } else { set terminal pngcairo noenhanced size 1000,high font "DejaVu Sans,9" }
    set output "a4_steps.".kind
    set multiplot layout lines,5 title "A-4: max / mean over N = 2 to 6 (dashed: chance alone; logarithmic)" font ",13"
    set logscale y
    set yrange [0.97:7]
    set ytics ("1" 1, "1.5" 1.5, "2" 2, "3" 3, "5" 5)
    set xrange [1.7:6.3]
    set xtics 1
    unset key
    set tmargin 2.2
    do for [name in names] {
        set title name offset 0,-0.6
        plot "../a4/".name."/a2/steps.csv" using (strcol(2) eq "add" ? $1 : NaN):8 every ::1 with linespoints lt 1 ps 0.7, \
             "" using (strcol(2) eq "add" ? $1 : NaN):10 every ::1 with lines lt 2 dt 2
    }
    unset multiplot
    unset output
}
