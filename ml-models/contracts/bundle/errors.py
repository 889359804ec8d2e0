"""What can be wrong with a bundle; every message names the file and says what to do next."""


class BundleError(Exception):
    """Base of everything that makes a bundle unusable."""


class BundleMissingError(BundleError):
    """The folder, its contract, or a file that the contract lists is not there."""


class BundleSchemaError(BundleError):
    """The contract cannot be read, or has a schema version that this code does not know."""


class BundleDigestError(BundleError):
    """A file's SHA-256 is not the recorded one, or a file is there that the contract does not list."""


class BundleUnsafeError(BundleError):
    """The bundle holds a format that may run code when loaded."""


class GraphSafetyError(BundleUnsafeError):
    """A graph needs code or files that are not in it, or more memory than it can account for."""
