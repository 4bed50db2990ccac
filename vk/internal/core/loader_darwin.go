package core

// libraries are tried in this order: the loader, then MoltenVK by itself.
var libraries = []string{"libvulkan.1.dylib", "libvulkan.dylib", "libMoltenVK.dylib"}
