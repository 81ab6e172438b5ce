"""Kubernetes manifests: a recipe's rendered, and what a cluster with KubeRay would refuse, said without a cluster."""
