strategy = "scheduler_ring, hash_murmur, probe_linear"
# A-1: requests for each replica, beside the fair share.
load "style.gp"
stats "../a1/counts.csv" using 2 every ::1 nooutput
top = STATS_max * 1.2
fair = STATS_mean
set title "A-1: who answered how many of ".sprintf("%.0f", STATS_sum)." requests (".strategy.")"
set xlabel "replica"
set ylabel "requests answered"
set yrange [0:top]
set xrange [-0.7:STATS_records - 0.3]
set boxwidth 0.6
above(n) = n < fair && n > fair - 0.09 * top ? fair : n # a label keeps off the dashed line
set key outside top right horizontal
do for [kind in "svg png"] {
    if (kind eq "svg") { set terminal svg size 760,440 font "DejaVu Sans,13" noenhanced background "white" } else { set terminal pngcairo noenhanced size 760,440 font "DejaVu Sans,11" }
    set output "a1.".kind
    plot "../a1/counts.csv" using 0:2:xtic(1) every ::1 with boxes lt 1 title "requests", \
         fair with lines lt 2 dt 2 title sprintf("fair share, %.1f", fair), \
         "../a1/counts.csv" using 0:(above($2) + top * 0.035):(sprintf("%.0f (%.1f %%)", $2, $4)) every ::1 with labels tc rgb dark notitle
    unset output
}
