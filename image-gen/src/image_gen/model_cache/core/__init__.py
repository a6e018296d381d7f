"""What every part of the model cache uses: settings, cache layout, manifests, hashes, files, locks and retries."""
