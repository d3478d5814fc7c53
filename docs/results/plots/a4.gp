rows = 28
floor = 1.0311
# A-4: every strategy's busiest replica beside the mean, at N = 3 and N = 6. The most even ones are at the top.
load "style.gp"
set title "A-4: the busiest replica beside the mean, 10,000 requests"
set xlabel "max / mean (1 is perfectly even; logarithmic)"
set logscale x
set xrange [0.99:7]
set xtics (1, 1.05 1, 1.1, 1.2, 1.5, 2, 3, 4, 5, 6)
set xtics add ("1" 1, "1.1" 1.1, "1.2" 1.2, "1.5" 1.5, "2" 2, "3" 3, "4" 4, "5" 5, "6" 6)
set grid xtics ytics
set yrange [rows - 0.4:-0.6]
set key top right opaque
set object 1 rectangle from 1, graph 0 to floor, graph 1 fc rgb "#dddddd" fs solid 0.6 noborder behind
do for [kind in "svg png"] {
    high = 120 + 22 * rows
    if (kind eq "svg") { set terminal svg size 820,high font "DejaVu Sans,13" noenhanced background "white" } else { set terminal pngcairo noenhanced size 820,high font "DejaVu Sans,11" }
    set output "a4.".kind
    plot "a4.csv" using 2:0:ytic(1) every ::1 with points lt 1 pt 7 ps 1.1 title "N = 3", \
         "a4.csv" using 3:0 every ::1 with points lt 2 pt 9 ps 1.2 title "N = 6", \
         NaN with boxes fc rgb "#dddddd" title "perfect balancers at N = 6 lie here on average"
    unset output
}
