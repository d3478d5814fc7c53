strategy = "scheduler_ring, hash_murmur, probe_linear"
# A-2: how far the busiest replica is above the mean, beside what chance alone would do.
load "style.gp"
set title "A-2: the busiest replica beside the mean (".strategy.")"
set xlabel "number of replicas N"
set ylabel "max / mean (1 is perfectly even)"
set xrange [1.8:6.2]
set xtics 1
set key top left
stats "../a2/steps.csv" using 8 every ::1 nooutput
set yrange [1:(STATS_max > 1.12 ? STATS_max * 1.1 : 1.12)]
added(c) = strcol(2) eq "add" ? column(c) : NaN
do for [kind in "svg png"] {
    if (kind eq "svg") { set terminal svg size 760,400 font "DejaVu Sans,13" noenhanced background "white" } else { set terminal pngcairo noenhanced size 760,400 font "DejaVu Sans,11" }
    set output "a2_ratio.".kind
    plot "../a2/steps.csv" using (added(1)):(1):11 every ::1 with filledcurves lc rgb "#bbbbbb" fs transparent solid 0.5 title "95 of 100 perfect balancers", \
         "../a2/steps.csv" using (added(1)):10 every ::1 with lines lt 7 dt 2 title "mean of perfect balancers (chance alone)", \
         "../a2/steps.csv" using (added(1)):8 every ::1 with linespoints lt 2 title "measured"
    unset output
}
