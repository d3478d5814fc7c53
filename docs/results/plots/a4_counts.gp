lines = 6
names = "shipped anchor assignment bounded flat-variant jump ketama least-request maglev md5-1024 md5-512 modulo multiprobe p2c peak-ewma printed-variant random rendezvous ring-1024-robin-hood ring-160 ring-512-double ring-512-murmur ring-crc32c ring-fnv1a ring-sha256 ring-siphash ring-xxh3 round-robin"
# A-4: A-1 for every strategy.
load "style.gp"
do for [kind in "svg png"] {
    high = 150 * lines + 40
    if (kind eq "svg") { set terminal svg size 1000,high font "DejaVu Sans,11" noenhanced background "white" } else { set terminal pngcairo noenhanced size 1000,high font "DejaVu Sans,9" }
    set output "a4_counts.".kind
    set multiplot layout lines,5 title "A-4: percent of 10,000 requests that Server 1, 2 and 3 answered (dashed: the fair share)" font ",13"
    set yrange [0:100]
    set ytics 50
    set xrange [-0.7:2.7]
    set boxwidth 0.62
    unset key
    set tmargin 2.2
    do for [name in names] {
        set title name offset 0,-0.6
        plot "../a4/".name."/a1/counts.csv" using 0:4:xtic(sprintf("%d", int($0) + 1)) every ::1::3 with boxes lt 1, 100.0 / 3 with lines lt 2 dt 2
    }
    unset multiplot
    unset output
}
