package detect

import "strings"

// libraries is what is known of each: the names were read on real pages or in the
// sources, see the evidence of their presets. Those that share names with others
// come after them.
var libraries = []library{
	{
		name: "prometheus-fastapi-instrumentator", stack: "FastAPI",
		marks: [][]mark{
			{{metric: "http_request_duration_highr_seconds"}, {metric: "http_requests_total", labels: []string{"handler", "method", "status"}}},
			{{metric: "http_request_duration_highr_seconds"}},
			{{metric: "http_requests_total", labels: []string{"handler", "method", "status"}}, {metric: "http_request_size_bytes", labels: []string{"handler"}}},
		},
		requests:   []string{"http_requests_total", "http_request_duration_seconds"},
		latency:    []latency{{"http_request_duration_highr_seconds", 1}},
		unlabelled: true,
		rawPaths:   "Keep should_group_untemplated at True, and give the paths templates: /items/{id}.",
		coarse:     "Give Instrumentator().add(metrics.default(latency_highr_buckets=(…))) buckets with a bound at the target.",
		fits: []candidate{
			{preset: "fastapi-concurrency", metrics: []string{"http_request_duration_seconds"}},
			{preset: "fastapi-p95", metrics: []string{"http_request_duration_highr_seconds"}, histogram: true},
			{preset: "fastapi-rps", metrics: []string{"http_requests_total"}},
			{preset: "fastapi-inflight", metrics: []string{"http_requests_inprogress"}, labels: []string{"handler"}},
		},
	},
	{
		name: "starlette_exporter", stack: "Starlette or FastAPI",
		marks: [][]mark{
			{{metric: "starlette_request_duration_seconds", labels: []string{"method", "path", "status_code"}}, {metric: "starlette_requests_total", labels: []string{"path"}}},
			{{metric: "starlette_request_duration_seconds", labels: []string{"method", "path", "status_code"}}},
		},
		requests: []string{"starlette_requests_total"},
		latency:  []latency{{"starlette_request_duration_seconds", 1}},
		rawPaths: "Keep group_paths=True and filter_unhandled_paths=True in PrometheusMiddleware.",
		coarse:   "PrometheusMiddleware(…, buckets=[…]) with a bound at the target.",
		fits: []candidate{
			{preset: "starlette-exporter-concurrency", metrics: []string{"starlette_request_duration_seconds"}},
			{preset: "starlette-exporter-p95", metrics: []string{"starlette_request_duration_seconds"}, histogram: true},
			{preset: "starlette-exporter-rps", metrics: []string{"starlette_requests_total"}},
			{preset: "starlette-exporter-inflight", metrics: []string{"starlette_requests_in_progress"}},
		},
	},
	{
		name: "starlette-prometheus", stack: "Starlette or FastAPI",
		marks: [][]mark{
			{{metric: "starlette_requests_processing_time_seconds", labels: []string{"method", "path_template"}}, {metric: "starlette_requests_total", labels: []string{"path_template"}}},
			{{metric: "starlette_requests_processing_time_seconds", labels: []string{"method", "path_template"}}},
		},
		requests: []string{"starlette_requests_total"},
		latency:  []latency{{"starlette_requests_processing_time_seconds", 1}},
		rawPaths: "PrometheusMiddleware(…, filter_unhandled_paths=True): what no route matches is counted by its raw path.",
		coarse:   "Its buckets are the client's defaults: starlette_exporter lets you set them, with a bound at the target.",
		fits: []candidate{
			{preset: "starlette-prometheus-concurrency", metrics: []string{"starlette_requests_processing_time_seconds"}},
			{preset: "starlette-prometheus-p95", metrics: []string{"starlette_requests_processing_time_seconds"}, histogram: true},
			{preset: "starlette-prometheus-rps", metrics: []string{"starlette_requests_total"}, labels: []string{"path_template"}},
		},
	},
	{
		name: "django-prometheus", stack: "Django",
		marks: [][]mark{
			{{metric: "django_http_requests_total_by_view_transport_method_total", labels: []string{"view"}}, {metric: "django_http_requests_latency_seconds_by_view_method", labels: []string{"view", "method"}}},
			{{metric: "django_http_requests_before_middlewares_total"}},
		},
		requests: []string{"django_http_requests_total_by_view_transport_method_total", "django_http_requests_before_middlewares_total"},
		latency:  []latency{{"django_http_requests_latency_seconds_by_view_method", 1}},
		coarse:   "PROMETHEUS_LATENCY_BUCKETS in settings.py, with a bound at the target.",
		fits: []candidate{
			{preset: "django-concurrency", metrics: []string{"django_http_requests_latency_including_middlewares_seconds"}},
			{preset: "django-p95", metrics: []string{"django_http_requests_latency_seconds_by_view_method"}, histogram: true},
			{preset: "django-rps", metrics: []string{"django_http_requests_total_by_view_transport_method_total"}},
			{preset: "django-worker-utilization", metrics: []string{"django_http_requests_latency_including_middlewares_seconds"}},
		},
	},
	{
		name: "prometheus-flask-exporter", stack: "Flask",
		marks: [][]mark{
			{{metric: "flask_http_request_duration_seconds", labels: []string{"method", "status"}}},
			{{metric: "flask_exporter_info"}},
		},
		requests: []string{"flask_http_request_duration_seconds", "flask_http_request_total"},
		latency:  []latency{{"flask_http_request_duration_seconds", 1}},
		rawPaths: `PrometheusMetrics(app, group_by="url_rule").`,
		coarse:   "PrometheusMetrics(app, buckets=(…)) with a bound at the target.",
		fits: []candidate{
			{preset: "flask-concurrency", metrics: []string{"flask_http_request_duration_seconds"}},
			{preset: "flask-p95", metrics: []string{"flask_http_request_duration_seconds"}, histogram: true},
			{preset: "flask-rps", metrics: []string{"flask_http_request_duration_seconds"}},
			{preset: "flask-worker-utilization", metrics: []string{"flask_http_request_duration_seconds"}},
		},
	},
	{
		name: "opentelemetry", stack: "OpenTelemetry for Python",
		marks: [][]mark{
			{{metric: "http_server_request_duration_seconds"}},
			{{metric: "http_server_duration_milliseconds"}},
		},
		requests: []string{"http_server_request_duration_seconds", "http_server_duration_milliseconds"},
		latency:  []latency{{"http_server_request_duration_seconds", 1}, {"http_server_duration_milliseconds", 1000}},
		rawPaths: "Instrument the framework, which knows the routes, rather than WSGI or ASGI alone; http_target is the raw path where there is no route.",
		coarse:   "A View with ExplicitBucketHistogramAggregation(boundaries=[…]) for the duration, with a bound at the target.",
		fits: []candidate{
			{preset: "otel-http-concurrency", metrics: []string{"http_server_request_duration_seconds", "http_server_duration_milliseconds"}},
			{preset: "otel-http-p95", metrics: []string{"http_server_request_duration_seconds", "http_server_duration_milliseconds"}, histogram: true},
			{preset: "otel-http-rps", metrics: []string{"http_server_request_duration_seconds", "http_server_duration_milliseconds"}},
			{preset: "otel-http-inflight", metrics: []string{"http_server_active_requests"}},
		},
	},
	{
		name: "gunicorn statsd", stack: "gunicorn --statsd-host, statsd_exporter",
		marks: [][]mark{
			{{metric: "gunicorn_request_duration_seconds"}, {metric: "gunicorn_requests_total"}},
			{{metric: "gunicorn_request_duration_seconds"}},
			{{metric: "gunicorn_request_duration"}},
		},
		requests: []string{"gunicorn_requests_total", "gunicorn_request_duration"},
		latency:  []latency{{"gunicorn_request_duration_seconds", 1}},
		coarse:   "histogram_options in the mapping of statsd_exporter, with a bound at the target.",
		lacking: &lack{
			code: "no-mapping", what: "statsd_exporter runs without a mapping.",
			why:  "Durations become a summary, whose quantiles cannot be put together over pods, and no preset knows the names.",
			cure: "Give statsd_exporter the mapping of docs/presets.md.",
		},
		fits: []candidate{
			{preset: "gunicorn-statsd-concurrency", metrics: []string{"gunicorn_request_duration_seconds"}},
			{preset: "gunicorn-statsd-p95", metrics: []string{"gunicorn_request_duration_seconds"}, histogram: true},
			{preset: "gunicorn-statsd-rps", metrics: []string{"gunicorn_requests_total"}},
			{preset: "gunicorn-statsd-utilization", metrics: []string{"gunicorn_request_duration_seconds"}},
		},
	},
	{
		name: "litestar", stack: "Litestar",
		marks:    [][]mark{{{metric: "litestar_requests_total", labels: []string{"method", "path", "status_code"}}}},
		requests: []string{"litestar_requests_total"},
		latency:  []latency{{"litestar_request_duration_seconds", 1}},
		rawPaths: "PrometheusConfig(group_path=True).",
		fits:     []candidate{{preset: "litestar-rps", metrics: []string{"litestar_requests_total"}}},
	},
	{
		name: "aioprometheus", stack: "ASGI",
		marks:    [][]mark{{{metric: "requests_total_counter"}, {metric: "status_codes_counter"}}},
		requests: []string{"requests_total_counter"},
	},
	{
		name: "bentoml", stack: "BentoML",
		marks:    [][]mark{{{metric: "bentoml_service_request_in_progress"}}},
		requests: []string{"bentoml_service_request_total"},
		latency:  []latency{{"bentoml_service_request_duration_seconds", 1}},
		fits:     []candidate{{preset: "bentoml-inflight", metrics: []string{"bentoml_service_request_in_progress"}}},
	},
	{
		name: "vllm", stack: "vLLM",
		marks: [][]mark{{{metric: "vllm:num_requests_running"}, {metric: "vllm:num_requests_waiting"}}},
		fits: []candidate{
			{preset: "vllm-load", metrics: []string{"vllm:num_requests_running"}},
			{preset: "vllm-queue", metrics: []string{"vllm:num_requests_waiting"}},
			{preset: "vllm-kv-cache", metrics: []string{"vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"}},
		},
	},
	{
		name: "sglang", stack: "SGLang",
		marks: [][]mark{{{metric: "sglang:num_queue_reqs"}}},
		fits:  []candidate{{preset: "llm-queue", metrics: []string{"sglang:num_queue_reqs"}}},
	},
	{
		name: "text-generation-inference", stack: "TGI",
		marks: [][]mark{{{metric: "tgi_queue_size"}}},
		fits:  []candidate{{preset: "llm-queue", metrics: []string{"tgi_queue_size"}}},
	},
	{
		name: "triton", stack: "Triton Inference Server",
		marks: [][]mark{{{metric: "nv_inference_pending_request_count"}}},
		fits:  []candidate{{preset: "triton-queue", metrics: []string{"nv_inference_pending_request_count"}}},
	},
	{
		name: "ray serve", stack: "Ray Serve",
		marks: [][]mark{{{metric: "ray_serve_deployment_queued_queries"}}},
		fits:  []candidate{{preset: "ray-serve-queue", metrics: []string{"ray_serve_deployment_queued_queries"}}},
	},
	{
		name: "celery-exporter", stack: "Celery",
		marks: [][]mark{
			{{metric: "celery_queue_length", labels: []string{"queue_name"}}},
			{{metric: "celery_task_received_total"}},
		},
		lacking: &lack{
			code: "missing-series", what: "There is no celery_queue_length.",
			why:  "A queue is unknown until a worker was seen on it: the series is missing exactly at zero workers.",
			cure: "Start celery-exporter with --queues=celery,…",
		},
		fits: []candidate{
			{preset: "celery-backlog-seconds", metrics: []string{"celery_queue_length"}},
			{preset: "celery-queue-length", metrics: []string{"celery_queue_length"}},
		},
	},
	{
		name: "rq-exporter", stack: "RQ",
		marks: [][]mark{{{metric: "rq_jobs", labels: []string{"queue", "status"}}}},
		fits:  []candidate{{preset: "rq-backlog", metrics: []string{"rq_jobs"}}},
	},
	{
		name: "redis_exporter", stack: "Redis",
		marks: [][]mark{{{metric: "redis_up"}, {metric: "redis_key_size", labels: []string{"db", "key"}}}, {{metric: "redis_up"}}},
		lacking: &lack{
			code: "missing-series", what: "No queue is watched in the way that a preset needs.",
			why:  "The length of a queue is the size of a key, which redis_exporter reads only if told to. Without unacked, the tasks that workers have reserved are not seen.",
			cure: "--check-single-keys=db0=celery,db0=celery%06%163,db0=celery%06%166,db0=celery%06%169,db0=unacked for Celery: the queue, its priorities, and what is reserved.",
		},
		fits: []candidate{
			{preset: "celery-redis-backlog", metrics: []string{"redis_key_size"}, where: map[string]func(string) bool{"key": func(key string) bool { return key == "unacked" }}},
			{preset: "dramatiq-backlog", metrics: []string{"redis_key_size"}, where: map[string]func(string) bool{"key": func(key string) bool { return strings.HasPrefix(key, "dramatiq:") && strings.HasSuffix(key, ".msgs") }}},
			{preset: "arq-backlog", metrics: []string{"redis_key_size"}, where: map[string]func(string) bool{"key": func(key string) bool { return strings.HasPrefix(key, "arq:") }}},
		},
	},
	{
		name: "rabbitmq_prometheus", stack: "RabbitMQ",
		marks: [][]mark{{{metric: "rabbitmq_detailed_queue_messages"}}, {{metric: "rabbitmq_queue_messages"}}},
		lacking: &lack{
			code: "missing-labels", what: "rabbitmq_queue_messages has no label queue.",
			why:  "/metrics sums all queues, Celery's own included.",
			cure: "Scrape /metrics/detailed?family=queue_coarse_metrics.",
		},
		fits: []candidate{{preset: "rabbitmq-backlog", metrics: []string{"rabbitmq_detailed_queue_messages", "rabbitmq_queue_messages"}, labels: []string{"queue"}}},
	},
	{
		name: "kafka_exporter", stack: "Kafka",
		marks: [][]mark{{{metric: "kafka_consumergroup_lag", labels: []string{"consumergroup", "topic"}}}},
		fits:  []candidate{{preset: "kafka-lag", metrics: []string{"kafka_consumergroup_lag"}}},
	},
	{
		name: "kminion", stack: "Kafka",
		marks: [][]mark{{{metric: "kminion_kafka_consumer_group_topic_lag"}}},
		fits:  []candidate{{preset: "kafka-lag", metrics: []string{"kminion_kafka_consumer_group_topic_lag"}}},
	},
	{
		name: "yet-another-cloudwatch-exporter", stack: "Amazon SQS",
		marks: [][]mark{{{metric: "aws_sqs_approximate_number_of_messages_visible_sum", labels: []string{"dimension_QueueName"}}}},
		fits:  []candidate{{preset: "sqs-backlog", metrics: []string{"aws_sqs_approximate_number_of_messages_visible_sum"}}},
	},
	{
		name: "uwsgi_exporter", stack: "uWSGI",
		marks: [][]mark{{{metric: "uwsgi_worker_busy"}}, {{metric: "uwsgi_listen_queue_length"}}},
		fits: []candidate{
			{preset: "uwsgi-busy-ratio", metrics: []string{"uwsgi_worker_busy"}},
			{preset: "uwsgi-listen-queue", metrics: []string{"uwsgi_listen_queue_length"}},
		},
	},
	{
		name: "ingress-nginx", stack: "ingress-nginx",
		marks:    [][]mark{{{metric: "nginx_ingress_controller_requests", labels: []string{"ingress"}}}},
		requests: []string{"nginx_ingress_controller_requests"},
		latency:  []latency{{"nginx_ingress_controller_request_duration_seconds", 1}},
		coarse:   "The controller's flag --time-buckets, with a bound at the target.",
		target:   true,
		fits: []candidate{
			{preset: "ingress-nginx-rps", metrics: []string{"nginx_ingress_controller_requests"}},
			{preset: "ingress-nginx-p95", metrics: []string{"nginx_ingress_controller_request_duration_seconds"}, histogram: true},
		},
	},
	{
		name: "istio", stack: "Istio sidecars",
		marks:    [][]mark{{{metric: "istio_requests_total", labels: []string{"reporter"}}}},
		requests: []string{"istio_requests_total"},
		latency:  []latency{{"istio_request_duration_milliseconds", 1000}},
		fits: []candidate{
			{preset: "istio-rps", metrics: []string{"istio_requests_total"}},
			{preset: "istio-p95", metrics: []string{"istio_request_duration_milliseconds"}, histogram: true},
		},
	},
	{
		name: "linkerd", stack: "Linkerd proxies",
		marks:    [][]mark{{{metric: "request_total", labels: []string{"direction"}}}},
		requests: []string{"request_total"},
		latency:  []latency{{"response_latency_ms", 1000}},
		fits: []candidate{
			{preset: "linkerd-rps", metrics: []string{"request_total"}},
			{preset: "linkerd-p95", metrics: []string{"response_latency_ms"}, histogram: true},
		},
	},
	{
		name: "traefik", stack: "Traefik",
		marks:    [][]mark{{{metric: "traefik_service_requests_total", labels: []string{"service"}}}},
		requests: []string{"traefik_service_requests_total"},
		latency:  []latency{{"traefik_service_request_duration_seconds", 1}},
		fits:     []candidate{{preset: "traefik-rps", metrics: []string{"traefik_service_requests_total"}}},
	},
	{
		name: "prometheus_client", stack: "instrumented by hand",
		marks: [][]mark{
			{{metric: "http_request_duration_seconds"}, {metric: "http_requests_total"}},
			{{metric: "http_request_duration_seconds"}},
			{{metric: "http_requests_total"}},
		},
		unless:   []string{"prometheus-fastapi-instrumentator"},
		requests: []string{"http_requests_total", "http_request_duration_seconds"},
		latency:  []latency{{"http_request_duration_seconds", 1}},
		fits: []candidate{
			{preset: "http-concurrency", metrics: []string{"http_request_duration_seconds"}},
			{preset: "http-rps", metrics: []string{"http_requests_total"}},
			{preset: "http-worker-utilization", metrics: []string{"http_request_duration_seconds"}},
		},
	},
}
