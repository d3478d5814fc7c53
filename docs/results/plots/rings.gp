lines = 3
names = "shipped assignment flat-variant md5-1024 md5-512 printed-variant ring-1024-robin-hood ring-512-double ring-512-murmur"
array titles[9] = ["shipped: 2^32 slots, 2048 drawn", "assignment: 87 of 512 slots reached", "flat-variant: 512 of 512 slots reached", "md5-1024: 1024 of 1024 slots reached", "md5-512: 512 of 512 slots reached", "printed-variant: 512 of 512 slots reached", "ring-1024-robin-hood: 1024 of 1024 slots reached", "ring-512-double: 512 of 512 slots reached", "ring-512-murmur: 512 of 512 slots reached"]
# A-4: the rings, with whose each slot is (outer circle) and the slots that requests reach (inner circle, black).
load "style.gp"
unset border
unset tics
unset grid
set size ratio -1
x(turn, r) = r * sin(2 * pi * turn)
y(turn, r) = r * cos(2 * pi * turn)
do for [kind in "svg png"] {
    high = 330 * lines + 90
    if (kind eq "svg") { set terminal svg size 1000,high font "DejaVu Sans,12" noenhanced background "white" } else { set terminal pngcairo noenhanced size 1000,high font "DejaVu Sans,10" }
    set output "rings.".kind
    set multiplot layout lines,3 title "A-4: the ring at N = 3, clockwise from slot 0 at the top. Coloured: Server 1 (blue), 2 (orange), 3 (green).\nBlack, inside: the slots that requests fall on; the longer a mark, the more of them." font ",12"
    unset key
    do for [i=1:words(names)] {
        file = "../a4/".word(names, i)."/ring.csv"
        set autoscale
        stats file using 4 every ::1 nooutput
        set xrange [-1.3:1.3]
        set yrange [-1.3:1.3]
        share(keys) = keys / STATS_sum
        mark(keys) = share(keys) > 0.06 ? 0.45 : 0.03 + 7 * share(keys)
        set title titles[i] offset 0,-1
        plot file using (x($1, 1)):(y($1, 1)):(x($1, 0.18)):(y($1, 0.18)):3 every ::1 with vectors nohead lc variable lw 2.4, \
             file using ($4 > 0 ? x($1, 0.96) : NaN):(y($1, 0.96)):(-x($1, mark($4))):(-y($1, mark($4))) every ::1 with vectors nohead lc rgb "#000000" lw 1
    }
    unset multiplot
    unset output
}
