package graph

import (
	"bytes"
	"encoding/json"
)

// The types below are the document that Print describes, field by field.
type jsonGraph struct {
	Name           string        `json:"name"`
	Vocab          int           `json:"vocab"`
	Cache          jsonCache     `json:"cache"`
	Output         *ID           `json:"output,omitempty"`
	Values         []jsonValue   `json:"values"`
	Nodes          []jsonNode    `json:"nodes"`
	Cost           jsonCost      `json:"cost"`
	Context        int           `json:"context,omitempty"`
	FLOPsAtContext int64         `json:"flops_at_context,omitempty"`
	Recorded       *jsonRecorded `json:"recorded,omitempty"`
	Notes          []string      `json:"notes"`
}

type jsonCache struct {
	Layers  int `json:"layers"`
	Heads   int `json:"heads"`
	HeadDim int `json:"head_dim"`
}

type jsonValue struct {
	ID   ID     `json:"id"`
	Name string `json:"name"`
	Rows string `json:"rows"`
	Cols int    `json:"cols"`
	Int8 bool   `json:"int8,omitempty"`
}

type jsonNode struct {
	Op         string      `json:"op"`
	Label      string      `json:"label"`
	In         []ID        `json:"in"`
	Out        *ID         `json:"out,omitempty"`
	Layer      *int        `json:"layer,omitempty"`
	Heads      int         `json:"heads,omitempty"`
	Scale      float64     `json:"scale,omitempty"`
	Window     int         `json:"window,omitempty"`
	LogN       int         `json:"log_n,omitempty"`
	Eps        float64     `json:"eps,omitempty"`
	OutCol     int         `json:"out_col,omitempty"`
	Weight     *jsonWeight `json:"weight,omitempty"`
	Norm       string      `json:"norm,omitempty"`
	QNorm      string      `json:"q_norm,omitempty"`
	KNorm      string      `json:"k_norm,omitempty"`
	Bias       string      `json:"bias,omitempty"`
	Epilogue   string      `json:"epilogue,omitempty"`
	Used       int         `json:"used,omitempty"`
	Renormal   bool        `json:"renormalise,omitempty"`
	Cost       jsonCost    `json:"cost"`
	Dispatches *int        `json:"dispatches,omitempty"`
	Barriers   *int        `json:"barriers,omitempty"`
}

type jsonWeight struct {
	Name       string   `json:"name"`
	Rows       int      `json:"rows"`
	Cols       int      `json:"cols"`
	Layout     string   `json:"layout"`
	Bytes      int64    `json:"bytes"`
	Parts      []string `json:"parts"`
	Interleave bool     `json:"interleave,omitempty"`
	Experts    int      `json:"experts,omitempty"`
}

type jsonCost struct {
	WeightBytes     int64 `json:"weight_bytes"`
	FLOPs           int64 `json:"flops"`
	FLOPsPerContext int64 `json:"flops_per_context_token"`
}

type jsonRecorded struct {
	Dispatches int `json:"dispatches"`
	Barriers   int `json:"barriers"`
	Submits    int `json:"submits"`
}

func (g *Graph) printJSON(b *bytes.Buffer, extra *Annotations) error {
	cost := g.Cost()
	doc := jsonGraph{
		Name: g.Name, Vocab: g.Vocab, Cache: jsonCache(g.KV), Output: presentID(g.Output),
		Values: []jsonValue{}, Nodes: []jsonNode{}, Cost: jsonCost(cost), Context: extra.Context,
		Notes: append([]string{}, g.Notes...),
	}
	if extra.Context > 0 {
		doc.FLOPsAtContext = cost.FLOPsAt(extra.Context)
	}
	if extra.Submits > 0 {
		doc.Recorded = &jsonRecorded{extra.Total.Dispatches, extra.Total.Barriers, extra.Submits}
	}
	producer := g.producer()
	for i, t := range g.Values {
		if producer[ID(i)] != nil { // passes leave values behind that nothing writes any more
			doc.Values = append(doc.Values, jsonValue{ID: ID(i), Name: t.Name, Rows: t.Rows.String(), Cols: t.Cols, Int8: t.Int8})
		}
	}
	for i, n := range g.Nodes {
		node := g.jsonNode(n)
		if c, ok := extra.counts(i); ok {
			node.Dispatches, node.Barriers = &c.Dispatches, &c.Barriers
		}
		doc.Nodes = append(doc.Nodes, node)
	}
	encoder := json.NewEncoder(b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	return encoder.Encode(doc)
}

func (g *Graph) jsonNode(n *Node) jsonNode {
	node := jsonNode{
		Op: n.Op.String(), Label: n.Label, In: append([]ID{}, n.In...), Out: presentID(n.Out), Heads: n.Heads, Scale: n.Scale,
		Window: n.Window, LogN: n.LogN,
		Eps: n.Eps, OutCol: n.OutCol, Used: n.Used, Renormal: n.Renormalise, Cost: jsonCost(g.nodeCost(n)),
	}
	if n.usesCache() {
		node.Layer = &n.Layer
	}
	if n.Epilogue != EpilogueNone {
		node.Epilogue = n.Epilogue.String()[1:] // without the plus
	}
	for _, w := range n.vectorUses() {
		switch w.role {
		case "norm":
			node.Norm = w.weight.Name
		case "q_norm":
			node.QNorm = w.weight.Name
		case "k_norm":
			node.KNorm = w.weight.Name
		case "bias":
			node.Bias = w.weight.Name
		}
	}
	if p := n.Pack; p != nil {
		node.Weight = &jsonWeight{
			Name: p.Name, Rows: p.Rows(), Cols: p.Cols(), Layout: p.Layout().Name(), Bytes: p.Bytes(), Interleave: p.Interleave, Experts: p.Experts,
		}
		for _, part := range p.Parts {
			node.Weight.Parts = append(node.Weight.Parts, part.Name)
		}
	}
	return node
}

// presentID is nil for no value.
func presentID(id ID) *ID {
	if id == None {
		return nil
	}
	return &id
}
