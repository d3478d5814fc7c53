some = "shipped maglev rendezvous ketama md5-1024 md5-512 assignment"
# A-4: max/mean as N grows, some strategies in one picture.
load "style.gp"
set title "A-4: the busiest replica beside the mean as N grows"
set xlabel "number of replicas N"
set ylabel "max / mean (logarithmic)"
set logscale y
set yrange [0.98:7]
set ytics ("1" 1, "1.1" 1.1, "1.2" 1.2, "1.5" 1.5, "2" 2, "3" 3, "4" 4, "5" 5, "6" 6)
set xrange [1.8:6.2]
set xtics 1
set key outside right center
do for [kind in "svg png"] {
    if (kind eq "svg") { set terminal svg size 860,460 font "DejaVu Sans,13" noenhanced background "white" } else { set terminal pngcairo noenhanced size 860,460 font "DejaVu Sans,11" }
    set output "a4_lines.".kind
    plot for [i=1:words(some)] "../a4/".word(some, i)."/a2/steps.csv" using (strcol(2) eq "add" ? $1 : NaN):8 every ::1 with linespoints lt i title word(some, i), \
         "../a4/".word(some, 1)."/a2/steps.csv" using (strcol(2) eq "add" ? $1 : NaN):10 every ::1 with lines lc rgb faint dt 2 title "chance alone"
    unset output
}
