strategy = "scheduler_ring, hash_murmur, probe_linear"
# A-2: the mean is requests / N for any balancer; the band is what it makes of it.
load "style.gp"
set title "A-2: load of a replica as N grows (".strategy.")"
set xlabel "number of replicas N"
set ylabel "requests for one replica"
set xrange [1.8:6.2]
set yrange [0:*]
set xtics 1
set key top right
added(c) = strcol(2) eq "add" ? column(c) : NaN
do for [kind in "svg png"] {
    if (kind eq "svg") { set terminal svg size 760,440 font "DejaVu Sans,13" noenhanced background "white" } else { set terminal pngcairo noenhanced size 760,440 font "DejaVu Sans,11" }
    set output "a2.".kind
    plot "../a2/steps.csv" using (added(1)):5:6 every ::1 with filledcurves lc rgb "#56B4E9" fs transparent solid 0.35 title "least to most loaded", \
         "../a2/steps.csv" using (added(1)):4:7 every ::1 with yerrorbars lt 1 title "mean and standard deviation", \
         "../a2/steps.csv" using (added(1)):4 every ::1 with lines lt 1 notitle
    unset output
}
