"""Labelled faces: reading CelebA's layouts, decoding pictures, augmenting them, and drawing synthetic faces."""
