package core

// libraries are tried in this order.
var libraries = []string{"vulkan-1.dll"}
