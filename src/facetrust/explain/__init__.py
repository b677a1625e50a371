"""Where a network looks: methods, pictures, comparisons."""
