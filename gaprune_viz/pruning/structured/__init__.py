"""Structures that go whole: neurons, heads and layers are taken out of a model, which is smaller and faster after."""
