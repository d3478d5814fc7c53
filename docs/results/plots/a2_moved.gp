strategy = "scheduler_ring, hash_murmur, probe_linear"
# A-2: keys that another replica answers than in the step before, beside those that must move.
load "style.gp"
set title "A-2: keys that moved when a replica came or went (".strategy.")"
set xlabel "step"
set ylabel "percent of all keys"
set yrange [0:*]
set xrange [-0.6:4.6]
set boxwidth 0.55
set key top right
step(n, by) = by eq "add" ? sprintf("%d to %d", n - 1, n) : sprintf("%d to %d", n + 1, n)
do for [kind in "svg png"] {
    if (kind eq "svg") { set terminal svg size 760,400 font "DejaVu Sans,13" noenhanced background "white" } else { set terminal pngcairo noenhanced size 760,400 font "DejaVu Sans,11" }
    set output "a2_moved.".kind
    plot "../a2/steps.csv" using 0:(100 * $12):xtic(step(column(1), strcol(2))) every ::2 with boxes lt 1 title "moved", \
         "../a2/steps.csv" using 0:(100 * $14) every ::2 with boxes lt 2 title "of these in vain (from one old replica to another)", \
         "../a2/steps.csv" using 0:(100 * $13):(0.36) every ::2 with xerrorbars lc rgb dark lw 2.5 pt 0 title "the minimum for a fair share"
    unset output
}
