{{- define "ao.name" -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "ao.selector" -}}
app.kubernetes.io/name: ao-appliance
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "ao.labels" -}}
{{ include "ao.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
{{- end -}}

{{/* The kubelet has no certificate to show: then the command asks, which costs a third of a second of a processor. */}}
{{- define "ao.probe" -}}
{{- if .root.Values.tls.clients.configMap -}}
exec:
  command: [/usr/bin/ao, healthcheck{{ if eq .path "/readyz" }}, --ready{{ end }}]
timeoutSeconds: 10
periodSeconds: {{ max 15 .seconds }}
{{- else -}}
httpGet:
  path: {{ .path }}
  port: api
  scheme: {{ include "ao.scheme" .root }}
timeoutSeconds: 5
periodSeconds: {{ .seconds }}
{{- end -}}
{{- end -}}

{{- define "ao.scheme" -}}
{{- if .Values.tls.secret -}}HTTPS{{- else -}}HTTP{{- end -}}
{{- end -}}
