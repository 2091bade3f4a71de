// Command cert-manager runs controllers and the webhook of cert-manager in one process.
//
// The commands of cert-manager are modules that no proxy serves, so this one starts the same packages. It has the
// issuers that this project uses: self-signed, CA, and ACME up to the account. The solvers of ACME are left out: they
// need the SDKs of all clouds, and a DNS zone.
package main

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	webhookconfig "github.com/cert-manager/cert-manager/internal/apis/config/webhook"
	"github.com/cert-manager/cert-manager/internal/webhook"
	"github.com/cert-manager/cert-manager/pkg/controller"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/approver"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/ca"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/selfsigned"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/issuing"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/keymanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/readiness"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/requestmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/revisionmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/trigger"
	_ "github.com/cert-manager/cert-manager/pkg/controller/clusterissuers"
	_ "github.com/cert-manager/cert-manager/pkg/controller/issuers"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/acme"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/ca"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/selfsigned"
	"github.com/cert-manager/cert-manager/pkg/logs"
)

const workers = 5

func main() {
	// The default set has flags of libraries already.
	flags := flag.NewFlagSet("cert-manager", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "kubeconfig of the cluster")
	namespace := flags.String("cluster-resource-namespace", "cert-manager", "namespace of the Secrets of ClusterIssuers")
	port := flags.Int("webhook-port", 0, "port of the webhook")
	certificate := flags.String("webhook-certificate", "", "file with the webhook's certificate")
	key := flags.String("webhook-key", "", "file with the webhook's key")
	exitOn(flags.Parse(os.Args[1:]))

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx = logs.NewContext(ctx, logs.Log)

	settings := webhookconfig.WebhookConfiguration{
		SecurePort:           int32(*port),
		KubeConfig:           *kubeconfig,
		MetricsListenAddress: "0",
	}
	settings.TLSConfig.Filesystem.CertFile = *certificate
	settings.TLSConfig.Filesystem.KeyFile = *key
	server, err := webhook.NewCertManagerWebhookServer(logs.Log, settings)
	exitOn(err)
	go func() { exitOn(server.Run(ctx)) }()

	factory, err := controller.NewContextFactory(ctx, controller.ContextOptions{
		Kubeconfig:         *kubeconfig,
		KubernetesAPIQPS:   20,
		KubernetesAPIBurst: 50,
		IssuerOptions: controller.IssuerOptions{
			ClusterResourceNamespace:        *namespace,
			ClusterIssuerAmbientCredentials: true,
		},
		CertificateOptions: controller.CertificateOptions{
			CopiedAnnotationPrefixes:                 []string{"*", "-kubectl.kubernetes.io/"},
			CertificateRequestMinimumBackoffDuration: time.Hour,
			CertificateRequestMaximumBackoffDuration: 32 * time.Hour,
		},
	})
	exitOn(err)
	started := []controller.Interface{}
	for _, construct := range controller.Known() {
		one, err := construct(factory)
		exitOn(err)
		started = append(started, one)
	}
	informers, err := factory.Build()
	exitOn(err)
	informers.SharedInformerFactory.Start(ctx.Done())
	informers.KubeSharedInformerFactory.Start(ctx.Done())
	var running sync.WaitGroup
	for _, one := range started {
		running.Go(func() { exitOn(one.Run(workers, ctx)) })
	}
	running.Wait()
}

func exitOn(err error) {
	if err != nil {
		logs.Log.Error(err, "cert-manager ends")
		os.Exit(1)
	}
}
