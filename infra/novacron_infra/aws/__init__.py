"""Amazon: network, keys, EKS cluster, node pools and storage as components."""
