# A-1: how long requests took.
load "style.gp"
set title "A-1: how long a request took, as the client saw it"
set xlabel "percent of the requests that took no longer"
set ylabel "milliseconds"
set logscale y
set grid xtics
set key top left
slow(p) = -log10(1 - (p > 99.99 ? 99.99 : p) / 100.0)
set xrange [0:4.05]
set xtics ("0" 0, "50" slow(50), "75" slow(75), "90" slow(90), "95" slow(95), "99" slow(99), "99.9" slow(99.9), "99.99" slow(99.99))
do for [kind in "svg png"] {
    if (kind eq "svg") { set terminal svg size 760,380 font "DejaVu Sans,13" noenhanced background "white" } else { set terminal pngcairo noenhanced size 760,380 font "DejaVu Sans,11" }
    set output "a1_latency.".kind
    plot "../a1/latency.csv" using ($1 < 100 ? slow($1) : NaN):2 every ::1 with linespoints lt 1 title "closed loop"
    unset output
}
