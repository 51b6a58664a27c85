"""What the server keeps: publishers, releases, blobs. `base` says what a store does, `sql` and `memory` do it, `rules` decides."""
