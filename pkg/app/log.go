package app

import (
	"time"

	"github.com/spf13/pflag"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// logOptions say what is logged and how.
type logOptions struct {
	level  string
	format string
}

func (o *logOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.level, "log-level", "info", "least severe entries to log: debug, info, warn or error")
	flags.StringVar(&o.format, "log-format", "json", "how to write log entries: json or console")
}

// logger writes to standard error.
func (o *logOptions) logger(env Env) (*zap.Logger, error) {
	level, err := zapcore.ParseLevel(o.level)
	if err != nil {
		return nil, usageError("--log-level %q: use debug, info, warn or error", o.level)
	}
	encoding := zap.NewProductionEncoderConfig()
	encoding.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	encoding.EncodeDuration = zapcore.StringDurationEncoder
	var encoder zapcore.Encoder
	switch o.format {
	case "json":
		encoder = zapcore.NewJSONEncoder(encoding)
	case "console":
		encoder = zapcore.NewConsoleEncoder(encoding)
	default:
		return nil, usageError("--log-format %q: use json or console", o.format)
	}
	sink := zapcore.Lock(zapcore.AddSync(env.Stderr))
	return zap.New(zapcore.NewCore(encoder, sink, level), zap.ErrorOutput(sink)), nil
}

// mostPerMinute bounds the entries of one level and text in a minute. What Pitot
// itself says is far below; it is for what repeats without end, of the libraries
// too, so that no failure fills a disk.
const mostPerMinute = 60

// sampled returns log without what repeats too often. Of each entry that it leaves
// out, dropped is told. Who asks for the debug level gets everything.
func sampled(log *zap.Logger, dropped func()) *zap.Logger {
	if log.Core().Enabled(zap.DebugLevel) {
		return log
	}
	hook := zapcore.SamplerHook(func(_ zapcore.Entry, decision zapcore.SamplingDecision) {
		if decision&zapcore.LogDropped != 0 {
			dropped()
		}
	})
	return log.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Minute, mostPerMinute, 0, hook)
	}))
}
