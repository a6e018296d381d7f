"""The worker: the one process that imports torch, owns the pipeline and generates images.

It gets requests over a socket (`protocol`), and sends progress, images and errors over the same socket. It uses no
network, finds no models by itself and answers no HTTP. The server imports only `protocol`.
"""
