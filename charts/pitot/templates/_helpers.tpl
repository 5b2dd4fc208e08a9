{{/* The name of the chart's objects in their namespace. */}}
{{- define "pitot.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The name of objects that all namespaces share, so that another installation has its own. */}}
{{- define "pitot.clusterName" -}}
{{- printf "%s:%s" (include "pitot.fullname" .) .Release.Namespace -}}
{{- end -}}

{{- define "pitot.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "pitot.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name: name the ServiceAccount that exists, or set serviceAccount.create" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The labels that select the pods. They never change, since a Deployment's selector cannot. */}}
{{- define "pitot.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "pitot.labels" -}}
{{- $own := merge (include "pitot.selectorLabels" . | fromYaml) (dict
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_")) -}}
{{- toYaml (merge $own .Values.commonLabels) -}}
{{- end -}}

{{/*
The metadata of an object. Its argument holds root and name, and may hold labels,
annotations, and namespace; "-" is for objects without a namespace.
*/}}
{{- define "pitot.metadata" -}}
name: {{ .name }}
{{- if ne (default "" .namespace) "-" }}
namespace: {{ default .root.Release.Namespace .namespace }}
{{- end }}
labels:
  {{- toYaml (merge (include "pitot.labels" .root | fromYaml) (default dict .labels)) | nindent 2 }}
{{- with merge (dict) (default dict .annotations) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "pitot.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* 90% of a quantity of memory, in bytes: what GOMEMLIMIT takes. */}}
{{- define "pitot.gomemlimit" -}}
{{- $quantity := kindIs "string" . | ternary . (int64 .) | toString -}}
{{- $number := regexFind "^[0-9.]+" $quantity -}}
{{- $unit := trimPrefix $number $quantity -}}
{{- $units := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000
  "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- if or (not $number) (not (hasKey $units $unit)) -}}
{{- fail (printf "resources.limits.memory: %q: use a number with Ki, Mi or Gi" $quantity) -}}
{{- end -}}
{{- mulf (float64 $number) (get $units $unit) 0.9 | int64 -}}
{{- end -}}

{{/* The names of the APIServices, separated by blanks. */}}
{{- define "pitot.apiServices" -}}
v1beta1.{{ .Values.apiGroups.custom }} v1beta2.{{ .Values.apiGroups.custom }}
{{- if eq (include "pitot.external" .) "true" }} v1beta1.{{ .Values.apiGroups.external }}{{ end -}}
{{- end -}}

{{/* The Secret with the certificate to serve; "" where Pitot makes its own. */}}
{{- define "pitot.tlsSecret" -}}
{{- if eq .Values.certificates.mode "cert-manager" -}}
{{- include "pitot.fullname" . }}-tls
{{- else if eq .Values.certificates.mode "existingSecret" -}}
{{- required "certificates.existingSecret.name: name the Secret with tls.crt and tls.key" .Values.certificates.existingSecret.name -}}
{{- end -}}
{{- end -}}

{{/* Where scrapers find the authority of the certificate: the argument tlsConfig of an endpoint. */}}
{{- define "pitot.tlsConfig" -}}
{{- if eq .Values.certificates.mode "insecureSkipTLSVerify" -}}
insecureSkipVerify: true
{{- else -}}
serverName: {{ include "pitot.fullname" . }}.{{ .Release.Namespace }}.svc
ca:
  secret:
    name: {{ default (printf "%s-ca" (include "pitot.fullname" .)) (include "pitot.tlsSecret" .) }}
    key: ca.crt
{{- end -}}
{{- end -}}
