/* Loops that are laid out in full: their sums stay in registers. */
#ifndef BTZ_GRAPH_UNROLL_H
#define BTZ_GRAPH_UNROLL_H

#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#endif
