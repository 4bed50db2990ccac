// Package hub fetches models from a Hugging-Face-compatible hub into the shared Hugging Face cache.
//
// Three nouns:
//
//   - A Name is what a person types: owner/name, with the type of a GGUF file behind a colon.
//   - A Client talks to one hub. Pull lists a repository, chooses the files that a model needs, and downloads them.
//   - The cache has the layout that every Hugging Face tool shares, so that others find what was fetched here and the
//     other way round: models--owner--name/blobs/<etag> has the bytes, snapshots/<commit>/<path> links to them, refs/main
//     holds the commit (https://huggingface.co/docs/huggingface_hub/guides/manage-cache).
//
// A file arrives in ranges, several at the same time, in a partial file beside its blob; what is there is not fetched
// again after an interruption. It becomes a blob when its size and digest are those that the hub promised, never before.
//
// Nothing that a hub says is believed: paths stay inside the snapshot, sizes are held against what arrives, answers
// are bounded, and the token goes to the hub itself alone, not to where it redirects.
package hub
