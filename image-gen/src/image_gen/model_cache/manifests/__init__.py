"""Which files a model consists of: manifests that are bundled, cached, resolved from the hub, created or checked."""
