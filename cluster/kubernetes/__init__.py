"""Kubernetes manifests: a recipe's, and what a cluster with KubeRay would refuse of any, said without a cluster."""
