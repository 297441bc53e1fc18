"""Proposals and localization on untrimmed videos: the Boundary-Matching Network, its labels, losses, proposals and figures."""
