{{/* Refuses values that contradict each other, where values.schema.json cannot say it. */}}
{{- define "pitot.validate" -}}
{{- $certificates := .Values.certificates -}}
{{- $auto := or $certificates.auto.caLife $certificates.auto.certificateLife -}}
{{- $existing := or $certificates.existingSecret.name $certificates.existingSecret.caBundle -}}
{{- if and $auto (ne $certificates.mode "auto") -}}
{{- fail "certificates.auto: only means something with certificates.mode=auto" -}}
{{- end -}}
{{- if and $certificates.certManager.issuerRef (ne $certificates.mode "cert-manager") -}}
{{- fail "certificates.certManager: only means something with certificates.mode=cert-manager" -}}
{{- end -}}
{{- if and $existing (ne $certificates.mode "existingSecret") -}}
{{- fail "certificates.existingSecret: only means something with certificates.mode=existingSecret" -}}
{{- end -}}
{{- if and .Values.metrics.podMonitor.enabled (not .Values.metrics.podMonitor.authorization) -}}
{{- fail "metrics.podMonitor.authorization: name the Secret with the token of your Prometheus" -}}
{{- end -}}
{{- if and .Values.teamRules.enabled (eq (toString .Values.apiService.external) "auto") -}}
{{- fail "apiService.external: say true or false: rules of teams may be of type External, and what they will be is not known here" -}}
{{- end -}}
{{- end -}}
