package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/internal/hub"
)

func (p *program) pullCommand() *cli.Command {
	return &cli.Command{
		Name: "pull", ArgsUsage: "OWNER/NAME[:TYPE]", Usage: "download a model from a Hugging Face hub",
		Description: "The files go to the cache that all Hugging Face tools share ($HF_HUB_CACHE, $HF_HOME/hub, or\n" +
			"~/.cache/huggingface/hub), and run, bench and the others take the name from then on. TYPE chooses one of several\n" +
			"GGUF files (Q4_K_M). An interrupted download goes on where it stopped. The path is printed on stdout.",
		Flags: slices.Concat([]cli.Flag{
			text(otherFlags, "revision", "branch, tag or `commit` to fetch (default main)"),
			text(otherFlags, "endpoint", "`address` of the hub (default: $HF_ENDPOINT, else "+hub.DefaultEndpoint+")"),
			text(otherFlags, "token", "`token` for private and gated models (default: $HF_TOKEN, else what hf auth login left)"),
			number(otherFlags, "connections", "ranges of a file that are fetched at the same time: `1..32` (default 4)"),
			onOff(outputFlags, "json", "print one JSON document"),
		}, logFlags()),
		Action: p.pull,
	}
}

// pulledDocument is what pull --json prints.
type pulledDocument struct {
	Model   string `json:"model"`
	Path    string `json:"path"`
	Commit  string `json:"commit"`
	Files   int    `json:"files"`
	Bytes   int64  `json:"bytes"`
	Fetched int64  `json:"fetched_bytes"`
}

func (p *program) pull(c *cli.Context) error {
	if err := firstError(arguments(c, 1, 1), between(c, "connections", 1, 32)); err != nil {
		return err
	}
	name, err := hub.ParseName(c.Args().First())
	if err != nil {
		return usageError("%v", err)
	}
	client, err := p.hubClient(c)
	if err != nil {
		return err
	}
	bar := p.newProgress("fetching")
	client.Progress = func(at hub.Progress) {
		bar.set(qwenvk.Progress{Done: at.Done, Total: at.Total, What: name.String()})
	}
	pulled, err := client.Pull(c.Context, name, c.String("revision"))
	bar.done()
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(p.out, pulledDocument{name.String(), pulled.Path, pulled.Commit, pulled.Files, pulled.Bytes, pulled.Fetched})
	}
	p.note("%s is here: %d files, %s, of which %s were fetched now", name, pulled.Files, size(uint64(pulled.Bytes)), size(uint64(pulled.Fetched)))
	_, err = fmt.Fprintln(p.out, pulled.Path)
	return err
}

// hubClient reads the flags and the variables that Hugging Face's tools share.
func (p *program) hubClient(c *cli.Context) (*hub.Client, error) {
	cache, err := hub.DefaultCache(os.Getenv)
	if err != nil {
		return nil, err
	}
	h := &hub.Client{
		Endpoint: c.String("endpoint"), Token: c.String("token"), Cache: cache,
		Parts: c.Int("connections"), Log: p.logger(),
	}
	if h.Endpoint == "" {
		h.Endpoint = os.Getenv("HF_ENDPOINT")
	}
	if h.Token == "" {
		h.Token = hub.DefaultToken(os.Getenv)
	}
	return h, nil
}
