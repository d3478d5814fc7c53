# style.gp - what all plots share. Colours: Okabe and Ito, told apart by colour-blind eyes too; symbols differ as well.
#
#   gnuplot NAME.gp      makes NAME.svg and NAME.png again, from the CSV files that it names
set encoding utf8
set datafile separator ","
set datafile missing ""
set border 3 lc rgb "#404040"
set tics nomirror out scale 0.6 tc rgb "#202020"
set grid ytics lc rgb "#c8c8c8" lw 0.8 dt 1
set key spacing 1.15 samplen 2.2
set style fill solid 0.85 noborder
set linetype 1 lc rgb "#0072B2" lw 2.2 pt 7 ps 0.9 dt 1
set linetype 2 lc rgb "#D55E00" lw 2.2 pt 5 ps 0.9 dt 1
set linetype 3 lc rgb "#009E73" lw 2.2 pt 9 ps 1.0 dt 1
set linetype 4 lc rgb "#CC79A7" lw 2.2 pt 11 ps 1.0 dt 1
set linetype 5 lc rgb "#E69F00" lw 2.2 pt 13 ps 1.1 dt 1
set linetype 6 lc rgb "#56B4E9" lw 2.2 pt 2 ps 0.9 dt 1
set linetype 7 lc rgb "#000000" lw 2.2 pt 1 ps 0.9 dt 1
set linetype cycle 7
faint = "#9a9a9a"
dark = "#202020"
