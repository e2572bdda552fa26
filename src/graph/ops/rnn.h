/*
 * Recurrent layers: what RNN, GRU and LSTM have in common.
 */
#ifndef BTZ_GRAPH_OPS_RNN_H
#define BTZ_GRAPH_OPS_RNN_H

#include "graph/kernel.h"

enum rnn_act {
    RNN_RELU,
    RNN_TANH,
    RNN_SIGMOID,
    RNN_AFFINE,
    RNN_LEAKY_RELU,
    RNN_THRESHOLDED_RELU,
    RNN_SCALED_TANH,
    RNN_HARD_SIGMOID,
    RNN_ELU,
    RNN_SOFTSIGN,
    RNN_SOFTPLUS,
};

struct rnn_fn {
    enum rnn_act act;
    double alpha, beta;
};

struct rnn {
    size_t steps, batch, input, hidden, dirs, gates; /* gates: 1 RNN, 3 GRU, 4 LSTM */
    bool reverse, batch_first, coupled, linear_first;
    double clip; /* infinity: none */
    struct rnn_fn fn[2][3];
};

/* The order of the gates in weights: RNN h; GRU z r h; LSTM i o f c. */
enum { GRU_Z, GRU_R, GRU_H };
enum { LSTM_I, LSTM_O, LSTM_F, LSTM_C };
/* And of the peepholes. */
enum { PEEP_I, PEEP_O, PEEP_F };

#endif
