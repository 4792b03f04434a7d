"""One pass over the tokens for what stands between the products of a transformer: gate, sum, norm and modulation."""

from __future__ import annotations

import numpy as np
from numba import njit

ONE = np.float32(1.0)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def gated_norm(x, y, gate, shift, scale, epsilon, total, out, inverse):  # type: ignore[no-untyped-def]
    """total = x + gate y and out = rms_norm(total) (1 + scale) + shift.

    x, y, total, out (N, T, W); gate, shift, scale (N, W); inverse (N, T) is filled with 1 / root mean square.
    """
    n, tokens, width = x.shape
    for i in range(n):
        gate_i, shift_i, scale_i = gate[i], shift[i], scale[i]
        for t in range(tokens):
            x_t, y_t, total_t, out_t = x[i, t], y[i, t], total[i, t], out[i, t]
            squares = np.float32(0.0)
            for j in range(width):
                value = x_t[j] + gate_i[j] * y_t[j]
                total_t[j] = value
                squares += value * value
            r = ONE / np.sqrt(squares / np.float32(width) + epsilon)
            inverse[i, t] = r
            for j in range(width):
                out_t[j] = total_t[j] * r * (ONE + scale_i[j]) + shift_i[j]


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def gated_norm_gradients(  # type: ignore[no-untyped-def]
    g_total, g_out, total, inverse, y, gate, scale, g_x, g_y, g_gate, g_shift, g_scale
):
    """Gradients of `gated_norm`; g_gate, g_shift, g_scale (N, W) must be zero before."""
    n, tokens, width = total.shape
    for i in range(n):
        gate_i, scale_i, g_gate_i, g_shift_i, g_scale_i = gate[i], scale[i], g_gate[i], g_shift[i], g_scale[i]
        for t in range(tokens):
            total_t, y_t, g_out_t, g_total_t = total[i, t], y[i, t], g_out[i, t], g_total[i, t]
            g_x_t, g_y_t = g_x[i, t], g_y[i, t]
            r = inverse[i, t]
            along = np.float32(0.0)
            for j in range(width):
                g, h = g_out_t[j], total_t[j]
                along += g * (ONE + scale_i[j]) * h
                g_shift_i[j] += g
                g_scale_i[j] += g * h * r
            along *= r * r * r / np.float32(width)
            for j in range(width):
                g = g_total_t[j] + r * g_out_t[j] * (ONE + scale_i[j]) - along * total_t[j]
                g_x_t[j] = g
                g_y_t[j] = g * gate_i[j]
                g_gate_i[j] += g * y_t[j]


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def _normalise_head(x, scale, epsilon, out):  # type: ignore[no-untyped-def]
    """out = rms_norm(x) scale, all (d,); gives 1 / root mean square."""
    size = x.shape[0]
    squares = np.float32(0.0)
    for j in range(size):
        squares += x[j] * x[j]
    r = ONE / np.sqrt(squares / np.float32(size) + epsilon)
    for j in range(size):
        out[j] = x[j] * r * scale[j]
    return r


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def _head_gradient(g, x, scale, r, g_x, g_scale):  # type: ignore[no-untyped-def]
    """Gradients of `_normalise_head`, that of the scale added."""
    size = x.shape[0]
    along = np.float32(0.0)
    for j in range(size):
        along += g[j] * scale[j] * x[j]
        g_scale[j] += g[j] * x[j] * r
    along *= r * r * r / np.float32(size)
    for j in range(size):
        g_x[j] = r * g[j] * scale[j] - along * x[j]


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def split_heads(joint, scales, epsilon, queries, keys, values, inverse):  # type: ignore[no-untyped-def]
    """Queries and keys (M, H, d), normalised and scaled by scales (2, d), and values of joint (M, 3, H, d).

    inverse (M, 2, H) is filled with 1 / root mean square.
    """
    rows, _, heads, _ = joint.shape
    for m in range(rows):
        for head in range(heads):
            inverse[m, 0, head] = _normalise_head(joint[m, 0, head], scales[0], epsilon, queries[m, head])
            inverse[m, 1, head] = _normalise_head(joint[m, 1, head], scales[1], epsilon, keys[m, head])
        values[m] = joint[m, 2]


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def normalise_heads(joint, scales, epsilon):  # type: ignore[no-untyped-def]
    """Queries and keys of joint (M, 3, H, d) normalised and scaled by scales (2, d) where they stand."""
    rows, _, heads, _ = joint.shape
    for m in range(rows):
        for part in range(2):
            for head in range(heads):
                _normalise_head(joint[m, part, head], scales[part], epsilon, joint[m, part, head])


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def split_heads_gradients(  # type: ignore[no-untyped-def]
    g_queries, g_keys, g_values, joint, scales, inverse, g_joint, g_scales
):
    """Gradients of `split_heads` from those of its parts (M, H, d); g_scales (2, d) must be zero before."""
    rows, _, heads, _ = joint.shape
    for m in range(rows):
        x, g_x, r = joint[m], g_joint[m], inverse[m]
        for head in range(heads):
            _head_gradient(g_queries[m, head], x[0, head], scales[0], r[0, head], g_x[0, head], g_scales[0])
            _head_gradient(g_keys[m, head], x[1, head], scales[1], r[1, head], g_x[1, head], g_scales[1])
        g_x[2] = g_values[m]
