"""ZeroMQ between processes: a lossy, gap-marked data plane and an acknowledged, durable control plane. Extra `bus`."""
