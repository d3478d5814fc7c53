columns = 8
story = "emergency_50 stands still for 1.5 s at 0, 500 requests a second"
# A-3: requests around the incident, in tenths of a second.
load "style.gp"
file = "../a3/pause.csv"
do for [kind in "svg png"] {
    if (kind eq "svg") { set terminal svg size 860,620 font "DejaVu Sans,13" noenhanced background "white" } else { set terminal pngcairo noenhanced size 860,620 font "DejaVu Sans,11" }
    set output "a3_pause.".kind
    set multiplot
    set lmargin 11
    set rmargin 3
    set arrow 1 from first 0, graph 0 to first 0, graph 1 nohead lc rgb "#D55E00" lw 1.6 dt 2
    set xrange [-2:*]
    set origin 0,0.44
    set size 1,0.56
    set title "A-3, pause: ".story
    set key outside top center horizontal
    set ylabel "answers in 0.1 s"
    set yrange [0:*]
    set format x ""
    unset logscale
    plot for [c=6:columns] file using 1:c with steps lt (c - 5) title columnheader(c), \
         file using 1:($3 > 0 ? $3 : NaN) with points pt 2 ps 1.2 lc rgb "#000000" title "failed"
    set origin 0,0
    set size 1,0.44
    unset title
    set key inside top right vertical
    set format x "%g"
    set logscale y
    set yrange [0.05:20000]
    set format y "%g"
    set xlabel "seconds since the signal"
    set ylabel "milliseconds"
    plot file using 1:5 every ::1 with steps lt 2 title "slowest request due then", \
         file using 1:4 every ::1 with steps lt 1 title "median"
    unset multiplot
    unset output
    unset arrow
    reset
    load "style.gp"
}
