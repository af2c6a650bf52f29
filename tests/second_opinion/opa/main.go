// Command opa-sets says what OPA makes of input documents: one JSON document per line in, one line per document out,
// with every set of every topic of the bundle whose folders are the arguments:
//
//	{"strict": {topic: {set: {"elements": [..]} or {"error": ".."} or {"undefined": true}}}, "plain": the same}
//	{"unreadable": ".."} for a document that OPA does not read
//
// Each document is evaluated twice. "strict" raises every error of a built-in function; indexes and early exits, which
// leave out what cannot change the result and with it the errors in there, are off. "plain" is OPA as it comes.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/loader"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
)

var sets = map[string]bool{"allow": true, "deny": true, "intercept": true, "obligation": true, "mistake": true}

// query is one set, ready to be asked for.
type query struct {
	topic, set    string
	strict, plain rego.PreparedEvalQuery
}

// answer is what one set says.
type answer struct {
	Elements  json.RawMessage `json:"elements,omitempty"`
	Error     string          `json:"error,omitempty"`
	Undefined bool            `json:"undefined,omitempty"`
}

type answers map[string]map[string]answer

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "opa-sets:", err)
		os.Exit(1)
	}
}

func run(roots []string) error {
	ctx := context.Background()
	queries, err := prepare(ctx, roots)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 64<<20)
	for in.Scan() {
		// As OPA's server reads its input: numbers keep their digits.
		input, err := ast.ValueFromReader(bytes.NewReader(in.Bytes()))
		if err != nil {
			reason, _ := json.Marshal(err.Error())
			fmt.Fprintf(out, "{\"unreadable\": %s}\n", reason)
			continue
		}
		strict, plain := answers{}, answers{}
		for _, query := range queries {
			strict.add(query, ask(ctx, query.strict, input, rego.EvalRuleIndexing(false), rego.EvalEarlyExit(false)))
			plain.add(query, ask(ctx, query.plain, input))
		}
		line, err := json.Marshal(map[string]answers{"strict": strict, "plain": plain})
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\n", line)
	}
	return in.Err()
}

func (a answers) add(query query, said answer) {
	if a[query.topic] == nil {
		a[query.topic] = map[string]answer{}
	}
	a[query.topic][query.set] = said
}

// decides tells whether a file has an effect on decisions, by the rules of policies/README.md.
func decides(path string, info fs.FileInfo, _ int) bool {
	name := filepath.Base(path)
	return !info.IsDir() && (strings.HasSuffix(name, "_test.rego") ||
		!strings.HasSuffix(name, ".rego") && name != "data.yaml" && name != "data.json")
}

func prepare(ctx context.Context, roots []string) ([]query, error) {
	loaded, err := loader.NewFileLoader().Filtered(roots, decides)
	if err != nil {
		return nil, err
	}
	compiler, err := loaded.Compiler()
	if err != nil {
		return nil, err
	}
	store, err := loaded.Store()
	if err != nil {
		return nil, err
	}
	var queries []query
	seen := map[string]bool{}
	for _, module := range compiler.Modules {
		for _, rule := range module.Rules {
			path, set := module.Package.Path.String(), rule.Head.Name.String()
			topic, ok := strings.CutPrefix(path, "data.interdict.policy.")
			if !ok || !sets[set] || seen[path+"."+set] {
				continue
			}
			seen[path+"."+set] = true
			found := query{topic: topic, set: set}
			if found.strict, err = prepared(ctx, path+"."+set, compiler, store, true); err != nil {
				return nil, err
			}
			if found.plain, err = prepared(ctx, path+"."+set, compiler, store, false); err != nil {
				return nil, err
			}
			queries = append(queries, found)
		}
	}
	return queries, nil
}

func prepared(ctx context.Context, path string, compiler *ast.Compiler, store storage.Store, strict bool) (rego.PreparedEvalQuery, error) {
	return rego.New(rego.Query(path), rego.Compiler(compiler), rego.Store(store), rego.StrictBuiltinErrors(strict)).PrepareForEval(ctx)
}

func ask(ctx context.Context, query rego.PreparedEvalQuery, input ast.Value, options ...rego.EvalOption) answer {
	results, err := query.Eval(ctx, append(options, rego.EvalParsedInput(input))...)
	if err != nil {
		return answer{Error: err.Error()}
	}
	if len(results) == 0 {
		return answer{Undefined: true}
	}
	elements, err := json.Marshal(results[0].Expressions[0].Value)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Elements: elements}
}
