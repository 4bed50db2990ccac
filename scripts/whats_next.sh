#!/bin/sh
# What a newcomer may try after the first answer.
cat <<'TEXT'

That came from a tiny model inside the binary, computed by our own shaders through Vulkan. More that it can do:

  bin/qwenvk run demo                                       a chat (Ctrl-D ends it)
  bin/qwenvk run demo -p "What is a KV cache?"              explains terms of language models
  bin/qwenvk run demo -p "There are 35 heads and 94 legs of chickens and rabbits. How many of each?"
  bin/qwenvk run demo -p "Please reverse: fox bird ball"    copies and turns words around
  bin/qwenvk run demo -p "鸡兔同笼,头共17个,腿共52条,求鸡和兔各几只。"
  bin/qwenvk run MODEL                                      your own Qwen: a .gguf file or a Hugging Face folder
  bin/qwenvk devices                                        the Vulkan devices of this machine
TEXT
