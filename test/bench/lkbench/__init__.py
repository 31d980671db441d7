"""The benchmark of lanekeeper beside its peers: see README.md in the folder above."""
