package app

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/pitot-autoscaling/pitot/pkg/internal/cluster"
	"github.com/pitot-autoscaling/pitot/pkg/internal/doctor"
	"github.com/pitot-autoscaling/pitot/pkg/rule"
)

// doctorOptions are the flags of "pitot doctor".
type doctorOptions struct {
	config     *[]string
	kubeconfig string
	context    string
	timeout    time.Duration
	output     *format
}

func newDoctor(env Env) *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor [NAMESPACE | NAMESPACE/HPA]...",
		Short: "Find out why HPAs of a cluster do not scale, or will not",
		Long: `Doctor looks at the metrics APIs and who serves them, at Pitot, and at every HPA:
what it scales, the metrics that it reads, and how their pods are scraped. Each
finding has a cure and a code that docs/doctor.md explains.

It changes nothing. What you have no right to read is left out, and the report
says so: the rights of one namespace are enough for its HPAs. Without arguments
it looks at all namespaces, or at that of your context if you may not.

With --config it takes the rules from files instead of from Pitot's ConfigMap,
and asks their backends directly.

The exit code is 0 if there is no error, 3 if there is one, and 1 if the cluster
cannot be reached.`,
		Example: `  pitot doctor
  pitot doctor shop
  pitot doctor shop/web -o json`,
	}
	flags := cmd.Flags()
	o.config = configFlag(flags)
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig file of the cluster")
	flags.StringVar(&o.context, "context", "", "context of the kubeconfig file")
	flags.DurationVar(&o.timeout, "timeout", 2*time.Minute, "time for all reads; what is not read by then is left out")
	o.output = outputFlag(flags)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), env, args) }
	return cmd
}

func (o *doctorOptions) run(ctx context.Context, env Env, args []string) error {
	scope, err := doctorScope(args)
	if err != nil {
		return err
	}
	var set *rule.Set
	if len(*o.config) > 0 {
		if set, err = loadConfig(env, *o.config); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	facts, err := o.read(ctx, env, scope)
	if err != nil {
		return err
	}
	if set != nil {
		facts.Config, facts.ConfigProblems = set, nil
		facts.Backends = askBackends(ctx, set.Backends)
	}
	report := newDoctorReport(facts)
	if *o.output == formatJSON {
		err = writeJSON(env.Stdout, report)
	} else {
		err = report.write(env.Stdout, env.Terminal && env.Getenv("NO_COLOR") == "")
	}
	if err == nil && report.Errors > 0 {
		err = &exitError{code: exitFound}
	}
	return err
}

// doctorScope reads the arguments.
func doctorScope(args []string) (scope cluster.Scope, err error) {
	whole := map[string]bool{} // namespaces of which all HPAs are meant
	for _, arg := range args {
		namespace, name, one := strings.Cut(arg, "/")
		if namespace == "" || one && (name == "" || strings.Contains(name, "/")) {
			return scope, usageError("%q: write NAMESPACE or NAMESPACE/HPA", arg)
		}
		if _, known := whole[namespace]; !known {
			scope.Namespaces = append(scope.Namespaces, namespace)
		}
		whole[namespace] = whole[namespace] || !one
		if one {
			scope.Autoscalers = append(scope.Autoscalers, types.NamespacedName{Namespace: namespace, Name: name})
		}
	}
	for namespace, all := range whole {
		if all && len(scope.Autoscalers) > 0 {
			return scope, usageError("%s is a whole namespace: name namespaces or HPAs, not both", namespace)
		}
	}
	return scope, nil
}

func (o *doctorOptions) read(ctx context.Context, env Env, scope cluster.Scope) (*doctor.Facts, error) {
	files := clientcmd.NewDefaultClientConfigLoadingRules()
	files.ExplicitPath = o.kubeconfig
	client := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(files, &clientcmd.ConfigOverrides{CurrentContext: o.context})
	config, err := client.ClientConfig()
	if err != nil {
		return nil, err
	}
	if scope.Own, _, err = client.Namespace(); err != nil {
		scope.Own = metav1.NamespaceDefault
	}
	config.UserAgent = "pitot-doctor/" + version
	reader, err := cluster.New(config)
	if err != nil {
		return nil, err
	}
	line := &countLine{env: env, begun: time.Now()}
	defer line.clear()
	reader.Progress = line.show
	return reader.Read(ctx, scope)
}

// askBackends asks each backend for a number that every Prometheus knows.
func askBackends(ctx context.Context, backends []rule.Backend) []doctor.Backend {
	answers := make([]doctor.Backend, len(backends))
	var asking sync.WaitGroup
	for i, backend := range backends {
		asking.Go(func() {
			answers[i] = doctor.Backend{Name: backend.Name, URL: backend.URL}
			client, err := newClient(backend)
			if err == nil {
				defer client.Close()
				_, err = client.Query(ctx, "vector(1)", time.Now())
			}
			answers[i].Err = err
		})
	}
	asking.Wait()
	return answers
}

// A countLine tells a person how many of a kind of reads are done, on one line
// that it redraws.
type countLine struct {
	env   Env
	begun time.Time

	mu    sync.Mutex
	shown time.Time // zero: nothing was drawn
}

func (l *countLine) show(what string, done, total int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if !l.env.ErrTerminal || now.Sub(l.begun) < silence || now.Sub(l.shown) < redraw {
		return
	}
	l.shown = now
	count := fmt.Sprint(done)
	if total > 0 {
		count = fmt.Sprintf("%d of %d", done, total)
	}
	fmt.Fprintf(l.env.Stderr, "\r\x1b[K%s: %s", what, count)
}

func (l *countLine) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.shown.IsZero() {
		fmt.Fprint(l.env.Stderr, "\r\x1b[K")
	}
}
