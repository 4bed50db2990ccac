package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/qwenvk/qwenvk"
)

func (p *program) rerankCommand() *cli.Command {
	return &cli.Command{
		Name: "rerank", ArgsUsage: "MODEL [DOC…]", Usage: "order documents by how well they answer a query",
		Description: "The model judges each document with yes or no, in the prompt of Qwen3-Reranker; the score is the probability of yes.\n" +
			"Documents are arguments, or the lines of -f FILE or of stdin; empty lines are left out. The best comes first:\n" +
			"score, number of the document from 1 on, its beginning.",
		Flags: slices.Concat([]cli.Flag{
			text(promptFlags, "query,q", "the `text` that documents are looked for"),
		}, textsFlags(), []cli.Flag{
			text(promptFlags, "instruct", "the `task`, in one sentence (default: \""+qwenvk.RerankTask+"\")"),
			number(outputFlags, "best", "print only the best `documents`"),
			text(outputFlags, "format", "form of the list: `text/json` (default text)"),
		}, computeFlags()),
		Action: p.rerank,
	}
}

// rerankDocument is what rerank --format json prints; the best result comes first.
type rerankDocument struct {
	Model   string         `json:"model"`
	Device  string         `json:"device"`
	Query   string         `json:"query"`
	Results []rerankResult `json:"results"`
}

type rerankResult struct {
	Index    int     `json:"index"` // place among the documents, from 0 on
	Score    float64 `json:"score"`
	Document string  `json:"document"`
}

func (p *program) rerank(c *cli.Context) error {
	if err := firstError(arguments(c, 1, maxInt), between(c, "best", 1, maxInt), oneOf(c, "format", "text", "json")); err != nil {
		return err
	}
	query := c.String("query")
	if strings.TrimSpace(query) == "" {
		return usageError("rerank needs --query TEXT; see qwenvk rerank --help")
	}
	if _, err := locate(c.Args().First()); err != nil {
		return err
	}
	docs, err := p.texts(c, "DOC")
	if err != nil {
		return err
	}
	o := qwenvk.RerankOptions{Instruct: c.String("instruct"), Truncate: c.Bool("truncate"), Progress: p.everyTenSeconds("document")}
	return p.withModel(c, c.Args().First(), nil, func(ctx context.Context, m *loaded) error {
		if i := m.Info(); !strings.Contains(strings.ToLower(i.Name+m.name), "rerank") && i.Pooling != "rank" {
			p.note("%s does not call itself a reranker: a model that was not trained for it scores less well", m.name)
		}
		scores, err := m.Rerank(ctx, query, docs, o)
		if err != nil {
			return roomAdvice(err)
		}
		list := make([]rerankResult, len(docs))
		for i, doc := range docs {
			list[i] = rerankResult{i, scores[i], doc}
		}
		slices.SortStableFunc(list, func(a, b rerankResult) int { return cmp.Compare(b.Score, a.Score) })
		if c.IsSet("best") {
			list = list[:min(len(list), c.Int("best"))]
		}
		if c.String("format") == "json" {
			return writeJSON(p.out, rerankDocument{m.name, m.runtime.Device().Name, query, list})
		}
		var b strings.Builder
		for _, r := range list {
			fmt.Fprintf(&b, "%.6f\t%d\t%s\n", r.Score, r.Index+1, beginning(r.Document))
		}
		_, err = io.WriteString(p.out, b.String())
		return err
	})
}

// beginning is what a line shows of a text.
func beginning(text string) string {
	const most = 60
	line := []rune(strings.Join(strings.Fields(text), " "))
	if len(line) > most {
		return string(line[:most-1]) + "…"
	}
	return string(line)
}
