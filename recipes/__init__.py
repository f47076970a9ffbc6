"""Named experiments: absl flagfiles, each with its known result; and the demo."""
