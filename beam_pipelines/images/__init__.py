"""An image file: decoded, checked, sized and hashed; pure functions of its bytes."""
