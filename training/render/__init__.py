"""Rendered training pictures with exact depth: streets, parks, rooms and race tracks, from packaged free assets."""
