{{/* The value config as a map, whether it was given as YAML or as a file. */}}
{{- define "pitot.config" -}}
{{- $config := .Values.config -}}
{{- if kindIs "string" $config -}}
{{- $config = fromYaml $config -}}
{{- if hasKey $config "Error" -}}
{{- fail (printf "config: %s" $config.Error) -}}
{{- end -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* The files of the configuration, as the data of a ConfigMap. Each source has its own, so that mistakes name it. */}}
{{- define "pitot.configFiles" -}}
{{- $config := include "pitot.config" . | fromYaml -}}
{{- if not (or .Values.prometheus.url $config.backends) -}}
{{- fail "prometheus.url: say where your Prometheus is, such as --set prometheus.url=http://prometheus-operated.monitoring:9090 (or list backends in config)" -}}
{{- end -}}
{{- if and (not .Values.prometheus.url) (gt (len .Values.prometheus) 1) -}}
{{- fail "prometheus.url: say where your Prometheus is; the fields beside it belong to that backend" -}}
{{- end -}}
{{- $head := dict "apiVersion" "pitot.dev/v1alpha1" "kind" "Config" -}}
{{- if .Values.prometheus.url }}
prometheus.yaml: |
  {{- toYaml $head | nindent 2 }}
  backends:
  {{- $backend := merge (dict "name" "prometheus") .Values.prometheus }}
  {{- if and .Values.teamRules.enabled (not (hasKey $backend "teams")) }}
  {{- $_ := set $backend "teams" true }}
  {{- end }}
  {{- toYaml (list $backend) | nindent 2 }}
{{- end }}
{{- if kindIs "string" .Values.config }}
{{- if .Values.config }}
config.yaml: |
  {{- .Values.config | nindent 2 }}
{{- end }}
{{- else if .Values.config }}
config.yaml: |
  {{- toYaml (merge (pick .Values.config "apiVersion" "kind") $head) | nindent 2 }}
  {{- with omit .Values.config "apiVersion" "kind" }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- $rules := include "pitot.rules" . | fromYamlArray }}
{{- if $rules }}
rules.yaml: |
  {{- toYaml $head | nindent 2 }}
  rules:
  {{- range $rules }}
  # {{ .name }}
  {{- toYaml (list .rule) | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* The value rules as a list of name and rule, in the order of the names. */}}
{{- define "pitot.rules" -}}
{{- $list := list -}}
{{- range $name, $rule := .Values.rules -}}
{{- if $rule -}}
{{- $list = append $list (dict "name" $name "rule" $rule) -}}
{{- end -}}
{{- end -}}
{{- toYaml $list -}}
{{- end -}}

{{/* Every rule of the release, as a list. */}}
{{- define "pitot.allRules" -}}
{{- $all := default list (include "pitot.config" . | fromYaml).rules -}}
{{- range include "pitot.rules" . | fromYamlArray -}}
{{- $all = append $all .rule -}}
{{- end -}}
{{- toYaml $all -}}
{{- end -}}

{{/* "true" if external metrics are to be registered with kube-apiserver. */}}
{{- define "pitot.external" -}}
{{- if eq (toString .Values.apiService.external) "auto" -}}
{{- include "pitot.externalRules" . -}}
{{- else -}}
{{- .Values.apiService.external -}}
{{- end -}}
{{- end -}}

{{/* "true" if a rule is of type External, by its own word or by that of its presets. */}}
{{- define "pitot.externalRules" -}}
{{- $external := false -}}
{{- $presets := .Files.Get "files/external-presets.yaml" | fromYamlArray -}}
{{- range include "pitot.allRules" . | fromYamlArray -}}
{{- $names := kindIs "slice" .preset | ternary .preset (list .preset) -}}
{{- if .type -}}
{{- $external = or $external (eq (toString .type) "External") -}}
{{- else -}}
{{- range $names -}}
{{- $external = or $external (has . $presets) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $external -}}
{{- end -}}
