"""What must hold when processes die: nothing lost, nothing counted twice, nothing left behind."""
