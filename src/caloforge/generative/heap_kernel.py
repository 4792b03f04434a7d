"""A binary heap of columns by distance, in which a column stands once and may come nearer."""

from __future__ import annotations

from numba import njit


@njit(nogil=True, cache=True, error_model="numpy")
def nearer(heap, place, size, distance, column):  # type: ignore[no-untyped-def]
    """Put a column in, or up where it stands already (place >= 0), after its distance fell; returns the size."""
    at = place[column]
    if at < 0:
        at = size
        size += 1
    key = distance[column]
    while at > 0:
        parent = (at - 1) >> 1
        other = heap[parent]
        if distance[other] <= key:
            break
        heap[at] = other
        place[other] = at
        at = parent
    heap[at] = column
    place[column] = at
    return size


@njit(nogil=True, cache=True, error_model="numpy")
def drop_nearest(heap, place, size, distance):  # type: ignore[no-untyped-def]
    """Take out heap[0], the nearest; returns the size. The column's place becomes -1."""
    place[heap[0]] = -1
    size -= 1
    if size == 0:
        return size
    column = heap[size]
    key = distance[column]
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and distance[heap[child + 1]] < distance[heap[child]]:
            child += 1
        other = heap[child]
        if distance[other] >= key:
            break
        heap[at] = other
        place[other] = at
        at = child
    heap[at] = column
    place[column] = at
    return size
