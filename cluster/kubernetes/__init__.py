"""Kubernetes manifests: what a cluster with KubeRay would refuse, said without a cluster."""
