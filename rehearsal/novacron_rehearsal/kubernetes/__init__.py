"""A provider for real Kubernetes clusters, for stacks that the engine deploys without Pulumi's own provider.

The engine starts it for the package `kubernetes` when Pulumi's plug-in is not installed, and never in a rehearsal. It
follows Pulumi's provider in ids, field manager, state and annotations, so that the Pulumi CLI can take a stack over.

Objects are created and changed by server-side apply. Modules that decide (`diff`, `inputs`, `readiness`, `messages`)
read objects only; `cluster` sends requests; `operations` joins both.

Out of scope: Helm charts and releases, Kustomize, YAML files, client-side apply and rendering to YAML.
"""
