// VirtualTTY
