"""Parts of networks: backbones, necks, decoders, heads."""
